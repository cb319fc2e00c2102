from exchange.errors import ExchangeError, NotGranted
from exchange.publisher import Publisher
from exchange.record import Received
from exchange.subscriber import Subscriber

__all__ = ["ExchangeError", "NotGranted", "Publisher", "Received", "Subscriber"]
