"""How the APIs of the cloud are asked, and what their errors become.

Only the turn from a client's many exceptions into one `CloudError` lives
here, or into a note where the cloud can be planned without the answer.
"""

from collections.abc import Callable
from typing import TypeVar

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from watcher_tsmig import errors

T = TypeVar('T')

MAX_BRIEF = 80

CLIENT_ERRORS = (
    sdk_errors.SDKException,
    auth_errors.ClientException,
    requests.exceptions.RequestException,
)
# What clients meet in an answer that has not what it should: an empty one of
# a proxy, another service's, half of one.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


def text_of(error: BaseException) -> str:
    """The error in one line."""
    return ' '.join(str(error).split()) or type(error).__name__


def brief(error: BaseException) -> str:
    """As much of the error as a note has room for.

    A note is one of several in an audit's status message of 255 characters.
    """
    text = text_of(error)
    return text if len(text) <= MAX_BRIEF else text[: MAX_BRIEF - 1] + '…'


def ask(what: str, call: Callable[[], T], who: str = 'Nova') -> T:
    """The answer of an API, the compute API where nothing else is said.

    :param what: what is asked for, for people
    :raises errors.CloudError: there is none
    """
    try:
        return call()
    except CLIENT_ERRORS as error:
        raise errors.CloudError(f'{who}: {what}: {text_of(error)}') from error
    except MALFORMED as error:
        raise errors.CloudError(
            f'{who}: {what}: its answer is not as expected ({error!r})'
        ) from error
