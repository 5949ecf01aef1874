"""The accounts with which WeChat tests a platform before it is published (全网发布检测)."""

TEST_ACCOUNTS = frozenset(
    {
        "wx570bc396a51b8ff8",
        "wx9252c5e0bb1836fc",
        "wx8e1097c5bc82cde9",
        "wx14550af28c71a144",
        "wxa35b9c23cfe664eb",
        "wxd101a85aa106f53e",
        "wxc39235c15087f6f3",
        "wx7720d01d4b2a4500",
        "wx05d483572dcd5d8b",
        "wx5910277cae6fd970",
    }
)
"""Five official accounts and five mini programs; WeChat authorises them by itself, and ends it again."""
