"""Flash sales: stock carved out, a countdown, a window that the server keeps."""
