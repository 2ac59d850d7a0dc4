"""The whole archive as its users run it: `dicomweb serve` in processes of its own, over real sockets."""
