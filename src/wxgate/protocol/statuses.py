"""What the status numbers in pushes mean, in English and Chinese.

The facts are those of WeChat's pages on fast registration, verification (认证), filing (备案), audits and
appeals; a number that they do not name is left unexplained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wxgate.protocol.wire import as_int, find
from wxgate.protocol.xml import Fields


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one number says, in both languages."""

    text: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One status of a push: the field it is in, its number, and what it means."""

    field: str
    value: int
    text: str
    text_zh: str


def _meanings(*rows: tuple[int, str, str]) -> Mapping[int, Meaning]:
    return {number: Meaning(english, chinese) for number, english, chinese in rows}


_REGISTRATION = _meanings(
    (0, "registered", "注册成功"),
    (-1, "the company and the legal representative do not match", "企业与法人姓名不一致"),
    (101, "the company has been deregistered", "企业已注销"),
    (102, "the company does not exist, or the register is not up to date", "企业不存在或企业信息未更新"),
    (103, "the legal representative's name does not match", "法定代表人姓名不一致"),
    (104, "the legal representative's ID number does not match", "法定代表人身份证号码不一致"),
    (
        105,
        "the register has no ID number yet; try again in 5 to 15 working days",
        "身份证号工商数据未更新，请在 5-15 个工作日之后再试",
    ),
    (1000, "the company's or the legal representative's data do not match", "企业信息或法定代表人信息不一致"),
    (
        100001,
        "the legal representative did not confirm the template message within 24 hours (no ID check)",
        "法定代表人 24 小时内未确认模板消息（未进行身份证校验）",
    ),
    (
        100002,
        "the legal representative did not confirm the template message within 24 hours (no face check)",
        "法定代表人 24 小时内未确认模板消息（未进行人脸识别校验）",
    ),
    (
        100003,
        "the legal representative did not confirm the template message within 24 hours",
        "法定代表人 24 小时内未确认模板消息",
    ),
)

_TASK = _meanings(
    (0, "begun", "初始状态"),
    (1, "no answer within 24 hours", "超过 24 小时未处理"),
    (2, "the user refused", "用户拒绝"),
    (3, "the user agreed", "用户同意"),
    (4, "the face check has begun", "发起人脸核验"),
    (5, "the face check failed", "人脸核验失败"),
    (6, "the face check passed", "人脸核验成功"),
    (7, "a code was sent to the phone", "已发送手机验证码"),
    (8, "the phone check failed", "手机验证失败"),
    (9, "the phone check passed", "手机验证成功"),
    (11, "the application could not be made", "创建审核单失败"),
    (12, "the application was made", "创建审核单成功"),
    (14, "the check failed", "验证失败"),
    (15, "waiting for the payment", "等待支付"),
)

_APPLICATION = _meanings(
    (0, "there is no application", "审核单不存在"),
    (1, "to be paid", "待支付"),
    (2, "under review", "审核中"),
    (3, "returned, to be filled in again", "打回重填"),
    (4, "passed", "认证通过"),
    (5, "failed for good", "认证最终失败，不能再修改"),
)

_PROCEDURE = _meanings(
    (15, "waiting for the payment of the review", "等待支付认证审核费用"),
    (16, "the review is paid", "认证审核费用支付成功"),
    (17, "the verification is under review", "认证审核中"),
    (18, "the verification was returned", "认证审核驳回"),
    (19, "the verification passed", "认证审核通过"),
    (20, "the verification failed for good", "认证审核最终失败，不能再修改"),
    (21, "the filing could not be made", "创建备案审核单失败"),
    (22, "the filing is under WeChat's review", "备案平台审核中"),
    (23, "WeChat returned the filing", "备案平台审核驳回"),
    (24, "the filing is under the authority's review", "备案管局审核中"),
    (25, "the authority returned the filing", "管局审核驳回"),
    (26, "verification and filing are done", "认证及备案完成"),
)

_FILING = _meanings(
    (2, "under WeChat's review", "平台审核中"),
    (3, "WeChat returned it", "平台审核驳回"),
    (4, "under the authority's review", "管局审核中"),
    (5, "the authority returned it", "管局审核驳回"),
    (6, "filed", "已备案"),
    (1024, "not filed", "未备案"),
    (1025, "not filed: the mini program's basic information is missing", "未备案，小程序基本信息未填"),
    (1026, "not filed: the mini program's category is missing", "未备案，小程序类目未填"),
)

_REFUSED_OR_PASSED = _meanings((2, "refused", "审核失败"), (3, "accepted", "审核通过"))

AUDIT_STATUS: Mapping[int, Meaning] = _meanings(
    (0, "passed", "审核成功"),
    (1, "rejected", "审核被拒绝"),
    (2, "under audit", "审核中"),
    (3, "withdrawn", "已撤回"),
    (4, "delayed", "审核延后"),
)
"""The `status` that get_auditstatus and get_latest_auditstatus answer with."""

STATUSES: Mapping[tuple[str, str], Mapping[int, Meaning]] = {
    ("notify_third_fasteregister", "status"): _REGISTRATION,
    ("notify_third_fastregisterbetaapp", "status"): _meanings((0, "registered", "注册成功")),
    ("notify_third_fastverifybetaapp", "status"): _REGISTRATION,
    ("notify_3rd_wxa_auth", "task_status"): _TASK,
    ("notify_3rd_wxa_auth", "apply_status"): _APPLICATION,
    ("notify_icpfiling_verify_result", "result"): _meanings(
        (2, "the face check failed", "人脸核验失败"), (3, "the face check passed", "人脸核验成功")
    ),
    ("notify_icpfiling_verify_result", "along_with_auth_result"): _meanings(
        (9, "the phone check of the verification passed", "认证短信核验通过")
    ),
    ("notify_apply_icpfiling_result", "beian_status"): _FILING,
    ("notify_3rd_wxa_auth_and_icp", "procedure_status"): _PROCEDURE,
    ("order_path_apply_result_notify", "list/ret_code"): _meanings(
        (0, "applied for", "申请成功"),
        (1, "applied for before", "重复申请"),
        (-1, "failed", "申请失败"),
        (-2, "failed", "申请失败"),
    ),
    ("order_path_audit_result_notify", "list/status"): _meanings((4, "passed", "审核通过")),
    ("wxa_nickname_audit", "ret"): _REFUSED_OR_PASSED,
    ("wxa_category_audit", "ret"): _REFUSED_OR_PASSED,
    ("wxa_appeal_record", "appeal_status"): _meanings(
        (1, "under way", "正在处理"),
        (2, "granted", "申诉通过"),
        (3, "refused", "申诉不通过"),
        (4, "withdrawn", "申诉已撤销"),
    ),
    ("wxa_appeal_record", "appeal_from"): _meanings((0, "the user", "用户"), (1, "the platform", "服务商")),
}
"""By event name or InfoType in lower case, and the path of the field."""


def explain(name: str, fields: Fields) -> tuple[Explained, ...]:
    """Say what the statuses of a push mean; `name` is its event name or InfoType, `fields` as they came."""
    return tuple(
        Explained(path, number, known[number].text, known[number].text_zh)
        for (event, path), known in STATUSES.items()
        if event == name.lower()
        for value in find(fields, path)
        if (number := as_int(value)) in known and number is not None
    )
