raise ImportError("libnote.so is missing")
