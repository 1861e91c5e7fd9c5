"""The lab: the payment engine and the real servers around it, on this machine. They end when the lab ends."""
