"""What a program's time goes into: `fastnn.profile()`."""

from ._record import Profile, profile

__all__ = ["Profile", "profile"]
