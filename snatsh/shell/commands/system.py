# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: what it uses, what is wrong with it, who is there, what was logged."""

from __future__ import annotations

from snatsh.shell.core.answers import TABLE, Answer, TableAnswer
from snatsh.shell.core.command import CommandSet
from snatsh.shell.core.session import Session
from snatsh.shell.render import system_tables

OPERATIONAL = CommandSet()


@OPERATIONAL.command("show system resources", "What the gateway uses", answers=TABLE)
def show_resources(session: Session) -> Answer:
    return TableAnswer(session.client.resources(), system_tables.resources)


@OPERATIONAL.command("show system uptime", "How long the gateway runs", answers=TABLE)
def show_uptime(session: Session) -> Answer:
    return TableAnswer(session.client.uptime(), system_tables.uptime)


@OPERATIONAL.command("show system users", "Who is at a console", answers=TABLE)
def show_users(session: Session) -> Answer:
    return TableAnswer(session.client.users(), system_tables.users)


@OPERATIONAL.command("show system alarms", "What somebody should look at", answers=TABLE)
def show_alarms(session: Session) -> Answer:
    return TableAnswer(session.client.alarms(), system_tables.alarms)


@OPERATIONAL.command("show log", "What snatd has said", answers=TABLE)
@OPERATIONAL.command("show log messages", "What snatd has said", answers=TABLE)
def show_messages(session: Session) -> Answer:
    return TableAnswer(session.client.messages(), system_tables.messages)


@OPERATIONAL.command("show log audit", "Who did what", answers=TABLE)
def show_audit(session: Session) -> Answer:
    return TableAnswer(session.client.audit(), system_tables.audit)
