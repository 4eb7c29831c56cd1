"""From the socket to the 20 ms frame: who hears whom."""
