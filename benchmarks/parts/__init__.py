"""Where the instructions of one nested read go, part by part, before and after the shortcuts."""
