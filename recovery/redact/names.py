"""What the name of a value says of it."""

import re

INNOCENT, SECRET, SECRET_TEXT, PAIRS, ITSELF, SHAPED, PAIR, VALUES = range(8)

_SECRET_WORDS = frozenset(
    "password passwd pwd passphrase passcode secret secrets authorization cookie cookies token apikey"
    " signature jwt bearer session sessionid sessid phpsessid jsessionid csrf xsrf otp privatekey".split()
)
# Words that hold a secret only where the value is a text: `pass: 3`, `tokens: 512` count something.
_WEAK_WORDS = frozenset("pass tokens passwords apikeys credential sid sig cvv cvc".split())
KOREAN = re.compile("비밀번호|비번|암호|토큰|인증키|시크릿")
_WRAPPINGS = frozenset("pem data value text raw b64 base64".split())
_COUNTED = frozenset("max min total prompt completion input output num used remaining cached reasoning".split())
_KEY_OWNERS = frozenset(
    "api access private secret auth authorization encryption encrypt signing sign master account license session"
    " subscription shared ssh app application deploy storage service functions".split()
)
_GLUED = re.compile(
    r"(?:apikey|accesskey|secretkey|privatekey|authkey|accesstoken|refreshtoken|authtoken|idtoken|bearertoken|apitoken"
    r"|password|passwd|passphrase|clientsecret|apisecret|sharedsecret|sessionid|setcookie)$"
)
# The last word says that the value tells of a secret without being one.
_ABOUT = frozenset(
    "name names type types url uri endpoint file path length count limit used usage total expires expiry expiration"
    " expired at ttl age min max policy enabled required present valid field header hint version method algorithm"
    " status state prefix location mode format size scope scopes budget per window strategy attribute property"
    " placement in ref reference label title description provider parameter param params is manager arn".split()
)
# Of a parameter of a query, or a header, these hold a secret; elsewhere `key` names most other things.
SENT_NAMES = frozenset("key appid auth code".split())
LOOKS_RANDOM = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w+/=.~-]{16,}", re.ASCII)
_WHOLE = {"headers": PAIRS, "rawheaders": PAIRS, "auth": PAIR, "key": SHAPED}
_WHOLE |= dict.fromkeys(("env", "environ", "environment"), VALUES)  # of these the names are all that is ever kept
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[^a-z]+")


def verdict_of_words(words: list[str]) -> int:
    """What a name, as its words, says of its value."""
    words = _unwrapped(words)
    last, whole = words[-1], "".join(words)
    if whole in _WHOLE:
        return _WHOLE[whole]
    if last == "id" and len(words) > 1:
        return SECRET if words[-2] in ("session", "sess") else INNOCENT
    if last in _ABOUT and len(words) > 1:
        return INNOCENT
    if last == "tokens" and _COUNTED.intersection(words):
        return INNOCENT
    if words[0] == "x" and len(words) > 1 and last in SENT_NAMES:
        return SECRET
    if last == "key":
        return SECRET if len(words) > 1 and (words[-2] in _KEY_OWNERS or "secret" in words) else INNOCENT
    if last in _SECRET_WORDS or _GLUED.search(whole) or words[0] in ("secret", "secrets", "password", "cookie"):
        return SECRET
    return SECRET_TEXT if last in _WEAK_WORDS else INNOCENT


def _unwrapped(words: list[str]) -> list[str]:
    """`privateKeyPem` tells of a private key."""
    kept = len(words)
    while kept > 2 and words[kept - 1] in _WRAPPINGS:
        kept -= 1
    return words[:kept]


def words_of(name: str) -> list[str]:
    """A name's words: `dbPassword1` is db and password."""
    return [word for word in _BETWEEN_WORDS.split(_CAMEL.sub(" ", name).lower()) if word]
