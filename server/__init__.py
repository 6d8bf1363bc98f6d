"""Compose and operate Hubbub: the only package that imports both `commerce` and `realtime`."""
