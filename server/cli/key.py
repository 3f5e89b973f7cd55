"""The command line of `endturn key`: a new API key, and its entry for a key file."""

import secrets
from typing import Annotated

import typer


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is; stands in logs, never the key.")],
    admin: Annotated[
        bool, typer.Option("--admin", help="It may load and unload adapters.")
    ] = False,
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="It may ask for this model only; may be given more than once."),
    ] = None,
) -> None:
    """Make an API key: the key goes to standard error, once; its entry for --api-key-file to standard output.

    Append the entry to the file, below its line `keys:`. Nobody can read the key out of it.
    """
    from pydantic import ValidationError

    from ..tenancy import Tenant, digest_of

    made = "et-" + secrets.token_urlsafe(32)
    try:
        tenant = Tenant(name=name, sha256=digest_of(made), admin=admin, adapters=adapter or None)
    except ValidationError as exc:
        problem = exc.errors(include_url=False)[0]
        typer.echo(f"endturn: {problem['loc'][0]}: {problem['msg']}", err=True)
        raise typer.Exit(2) from exc
    fields = {"name": tenant.name, "sha256": tenant.sha256}
    lines = [f"{field}: {value}" for field, value in fields.items()]
    if tenant.adapters:
        lines.append(f"adapters: [{', '.join(tenant.adapters)}]")
    if tenant.admin:
        lines.append("admin: true")
    typer.echo(made, err=True)
    typer.echo("  - " + "\n    ".join(lines))
