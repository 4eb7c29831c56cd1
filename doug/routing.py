"""Which application a call is for.

Lives here: the order in which routes and users are asked. Not here: how they are written
(doug.config, doug.options), making applications (doug.application).
"""

from __future__ import annotations

from doug.settings import Routed, Settings
from doug.voiceapp import VoiceApp
from shtoom.exceptions import UserNotFound

__all__ = ["appFor", "appsOf", "routeFor"]


def appsOf(settings: Settings, default: type[VoiceApp] | None) -> dict[str, type[VoiceApp]]:
    """Called user -> application, "" for all others. default: where the settings have none."""
    apps = dict(settings.apps)
    if default is not None:
        apps.setdefault("", default)
    return apps


def appFor(settings: Settings, default: type[VoiceApp] | None, user: str) -> type[VoiceApp]:
    """The application for calls to that user; raises UserNotFound if there is none."""
    apps = appsOf(settings, default)
    found = apps.get(user) or apps.get("")
    if found is None:
        raise UserNotFound(f"No application for {user}" if user.isprintable() else None)
    return found


def routeFor(
    settings: Settings, default: type[VoiceApp] | None, user: str, trunk: str | None
) -> Routed:
    """The same for a call of that trunk (by name; None: of none): the first route that fits."""
    for route in settings.routes:
        if route.user in (None, user) and route.trunk in (None, trunk):
            return route
    return Routed(appFor(settings, default, user))
