"""The admin API as a program calls it: one method a call, plain JSON back."""

from exchange.admin.client import AdminClient

__all__ = ["AdminClient"]
