"""Where a database server is and who comes to it, as checks and actions are told."""

from typing import Annotated

from pydantic import Field, SecretStr, StrictBool, StrictInt, field_validator

from recovery.model.secrets import SecretFields
from recovery.model.sights import DatabaseAddress

__all__ = ["PORTS", "ServerFields", "check_redis_database"]

PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}


class ServerFields(SecretFields):
    """The fields that are the same for all engines."""

    host: str = Field(
        "127.0.0.1",
        description="a name, an IP address, or the absolute path of a socket (PostgreSQL: of its folder)",
        examples=["db.example.com"],
        min_length=1,
        max_length=253,
    )
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] | None = Field(
        None, description="the port; the engine's own where it is not given", examples=[5433]
    )
    database: str = Field("", description="which database; for Redis a number", examples=["orders"], max_length=128)
    user: str = Field("", description="who asks", examples=["medic"], max_length=128)
    password: SecretStr | None = Field(
        None, description="the user's password; better `password_file`, the path of a file that holds it"
    )
    tls: StrictBool = Field(
        False, description="only over TLS, with a certificate that is trusted; without it as the server likes"
    )
    ca_file: str = Field(
        "", description="certificates to trust instead of the usual ones", examples=["/etc/ssl/db.pem"]
    )

    @field_validator("host", "database", "user", "ca_file")
    @classmethod
    def _is_one_thing(cls, value: str) -> str:
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
            raise ValueError("must not hold control characters")
        return value

    @field_validator("host")
    @classmethod
    def _only_a_host(cls, value: str) -> str:
        if not value.startswith("/") and (any(sign in value for sign in "/@, \\") or value.count(":") == 1):
            raise ValueError("write only the host, such as db.example.com; port, user and database have their own keys")
        return value.removeprefix("[").removesuffix("]")

    def server(self, engine: str) -> DatabaseAddress:
        """What a door is given, of an engine: "postgresql", "mysql" or "redis"."""
        return DatabaseAddress(
            engine=engine,
            host=self.host,
            port=self.port or PORTS[engine],
            database=self.database,
            user=self.user,
            password=self.password.get_secret_value() if self.password else "",
            tls=self.tls,
            ca_file=self.ca_file,
        )


def check_redis_database(database: str) -> None:
    """Raise ValueError where it is no number of a Redis database."""
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("`database` of Redis is a number, such as 0")
