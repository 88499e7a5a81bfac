"""Facts in, the way of a packet out: what Linux would do, hop by hop, without touching any machine."""
