"""The toxics of the embedded Toxiproxy, one file each."""
