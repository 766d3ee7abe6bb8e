"""What the real cloud shows that we do not do yet, by F number.

Each is how it should be, and expected to fail; whoever mends it takes it to
the cases of its subject. The numbers are those of the first runs in a real
cloud. At present there is none.
"""
