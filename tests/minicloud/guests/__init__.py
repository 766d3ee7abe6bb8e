"""Real guests, moved by our plans, Watcher, Nova, libvirt and QEMU."""
