"""What api.weixin.qq.com answers: pure functions of the world and one call."""
