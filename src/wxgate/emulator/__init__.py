"""WeChat in a box: the Open Platform's side of the wire, for development, tests and the demo.

The layers, from the inside out:

    world/     what is true: platforms, accounts, users, authorizations, tokens, quotas (pure, seeded)
    api/       what api.weixin.qq.com answers, as functions of the world and one call
    pages      the authorization pages of mp.weixin.qq.com and open.weixin.qq.com
    pushes     what WeChat sends to the gateway, sealed, retried and judged
    control    the tool's own face under /_emulator/: state, clock, faults, switches, acting as a person
    app        the ASGI application that holds them together; running serves it inside an event loop
"""
