"""What the shop's customers are answered: run `pytest` in this folder."""

from wxgate.testing import World


async def test_hours_are_told(wechat: World) -> None:
    customer = await wechat.user()

    answer = await customer.says("hours")

    assert answer.text == "Open from nine to six."


async def test_who_scans_a_table_is_welcomed_there(wechat: World) -> None:
    customer = await wechat.user()

    answer = await customer.follows(scene="12")

    assert answer.text == "Welcome to table 12!"


async def test_what_nobody_knows_goes_to_a_person(wechat: World) -> None:
    customer = await wechat.user()

    assert (await customer.says("why?")).transferred


async def test_the_bill_comes_as_a_message_of_its_own(wechat: World) -> None:
    customer = await wechat.user()

    assert (await customer.says("bill")).silent

    [bill] = await customer.sees(at_least=1)
    assert (bill.source, bill.text) == ("custom", "That makes 42 yuan.")


async def test_a_bill_that_wechat_refuses_is_no_fault_for_the_customer(wechat: World) -> None:
    customer = await wechat.user()
    await wechat.goes_wrong("/cgi-bin/message/custom/send", "errcode", errcode=45015)

    answer = await customer.says("bill")

    assert not answer.fault
    assert await customer.sees() == []
