"""What each operation of torch is as a layer."""
