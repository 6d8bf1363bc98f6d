"""The reservation core: promises about stock, decided in batches, kept in PostgreSQL."""
