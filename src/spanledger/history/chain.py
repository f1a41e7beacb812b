"""From actions to the chain that they are, and to why one of them was done. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from spanledger.history.action import Action, settle
from spanledger.history.texts import Texts, duration, money

_MOST_FAILURES = 5
_AROUND = frozenset({"agent", "operation", "session"})


@dataclass(slots=True)
class Link:
    """An action with what it led to, in the order in which they began."""

    action: Action
    below: list["Link"] = field(default_factory=list)

    def walk(self) -> Iterator[tuple[int, Action]]:
        """It and all below it with their depth."""
        waiting = [(0, self)]
        while waiting:
            depth, link = waiting.pop()
            yield depth, link.action
            waiting.extend((depth + 1, each) for each in reversed(link.below))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an action was done, and what came of it."""

    action: Action
    command: str | None
    """What the user wanted; None: not recorded."""
    served: tuple[Action, ...]
    """What it was a part of, the nearest first."""
    failed_before: tuple[Action, ...]
    """What had failed before it in the same work, the latest first."""
    depended_on: tuple[Action, ...]
    """What it needed: the call that asked for it, or the results that it was given."""
    led_to: tuple[Action, ...]
    """What came right after it because of it."""
    again: bool
    """The same had failed before: it is a further try."""
    sentences: tuple[str, ...]


def chains(actions: Iterable[Action]) -> list[Link]:
    """The trees that actions form, with commands and statuses as their places say.

    An action whose parent is not among them is a root of its own.
    """
    ordered = sorted(actions, key=lambda action: (action.started_ns, action.span_id))
    links = {action.identity: Link(action) for action in ordered}
    roots: list[Link] = []
    for link in links.values():
        parent = links.get((link.action.trace_id, link.action.parent_span_id))
        (roots if parent is None or parent is link else parent.below).append(link)
    for root in roots:
        _settle(root)
    return roots


def _settle(root: Link) -> None:
    """From the leaves up, without recursion: a trace may be deeper than Python's stack."""
    order = [root]
    for link in order:
        order.extend(link.below)
    for link in reversed(order):
        below = [each.action for each in link.below]
        link.action = replace(link.action, status=settle(link.action, below))


def told(actions: Sequence[Action]) -> list[Action]:
    """The same actions with the status that follows from what is below them."""
    settled = {a.identity: a for root in chains(actions) for _, a in root.walk()}
    return [settled[action.identity] for action in actions]


def explain(action: Action, around: Iterable[Action], texts: Texts) -> Explanation:
    """Why `action` was done, from the actions of its trace and session."""
    known = {each.identity: each for each in around} | {action.identity: action}
    known = {each.identity: each for each in told(list(known.values()))}
    action = known[action.identity]
    earlier = [each for each in known.values() if each.ended_ns <= action.started_ns]
    served = tuple(_above(action, known))
    failed = _failures(action, earlier)
    found = Explanation(
        action,
        _command(action, served, earlier),
        served,
        failed,
        tuple(_needed(action, earlier)),
        tuple(_led_to(action, known.values())),
        any((each.kind, each.name) == (action.kind, action.name) for each in failed),
        (),
    )
    return replace(found, sentences=tuple(_sentences(found, texts)))


def _above(action: Action, known: Mapping[tuple[str, str], Action]) -> Iterator[Action]:
    seen = {action.identity}
    above = known.get((action.trace_id, action.parent_span_id))
    while above is not None and above.identity not in seen:
        seen.add(above.identity)
        yield above
        above = known.get((above.trace_id, above.parent_span_id))


def _command(action: Action, served: Sequence[Action], earlier: Iterable[Action]) -> str | None:
    """Its own, that of what is around it, else what the user last said in the same session."""
    for each in (action, *served):
        if each.command is not None:
            return each.command
    said = [each for each in earlier if each.command is not None and _together(each, action)]
    return max(said, key=lambda each: each.ended_ns).command if said else None


def _together(one: Action, other: Action) -> bool:
    """Whether two actions belong to one piece of work."""
    if one.session or other.session:
        return one.session == other.session
    return one.trace_id == other.trace_id


def _failures(action: Action, earlier: Iterable[Action]) -> tuple[Action, ...]:
    found = [each for each in earlier if each.failed and _together(each, action)]
    found.sort(key=lambda each: each.ended_ns, reverse=True)
    return tuple(found[:_MOST_FAILURES])


def _needed(action: Action, earlier: Iterable[Action]) -> list[Action]:
    """A tool was asked for by a call; a call was given what the tools since the last one gave."""
    same = [each for each in earlier if _together(each, action) and each.agent == action.agent]
    calls = [each for each in same if each.kind == "call" and not each.failed]
    last = max(calls, key=lambda each: each.ended_ns, default=None)
    if action.kind != "call":
        return [] if last is None else [last]
    since = 0 if last is None else last.ended_ns
    given = [e for e in same if e.kind in {"tool", "agent"} and e.started_ns >= since]
    return sorted(given, key=lambda each: each.started_ns)


def _led_to(action: Action, known: Iterable[Action]) -> list[Action]:
    """What a call asked for, until the next call; of a container, what is directly in it."""
    if action.kind in _AROUND:
        inside = [e for e in known if e.parent_span_id == action.span_id != ""]
        return sorted(inside, key=lambda each: each.started_ns)
    later = [
        each
        for each in known
        if each.started_ns >= action.ended_ns
        and each.identity != action.identity
        and _together(each, action)
        and each.agent == action.agent
    ]
    later.sort(key=lambda each: each.started_ns)
    led: list[Action] = []
    for each in later:
        led.append(each)
        if each.kind == "call":
            break
    return led if action.kind == "call" else [each for each in led if each.kind == "call"][:1]


# --- in words ------------------------------------------------------------------------------


def _sentences(found: Explanation, texts: Texts) -> Iterator[str]:
    action = found.action
    yield texts.say(
        "what",
        action=texts.action(action),
        status=texts.status(action.status),
        duration=duration(action.duration_s),
    )
    if found.command is None:
        yield texts.say("no_command")
    else:
        yield texts.say("command", command=found.command)
    if found.served:
        yield texts.say("part_of", names=texts.names(found.served))
    if found.depended_on:
        key = "given" if action.kind == "call" else "asked_by"
        yield texts.say(key, names=texts.names(found.depended_on))
    yield from _troubles(found, texts)
    if action.cost_nano_usd is not None:
        yield texts.say("cost", cost=money(action.cost_nano_usd), tokens=action.tokens or 0)
    if found.led_to:
        yield texts.say("led_to", names=texts.names(found.led_to))


def _troubles(found: Explanation, texts: Texts) -> Iterator[str]:
    action = found.action
    if action.reason:
        yield texts.say("refused", reason=action.reason, rule=action.rule or "–")
    elif action.failed:
        why = ": ".join(part for part in (action.error_type, action.message) if part)
        yield texts.say("failed", why=why or "–")
    if found.again:
        yield texts.say("again", action=texts.action(action))
    if found.failed_before:
        yield texts.say("failed_before", names=texts.failures(found.failed_before))


def by_session(actions: Iterable[Action]) -> dict[str, list[Action]]:
    """Actions in their order, by session; those without one by their trace."""
    found: dict[str, list[Action]] = defaultdict(list)
    for action in sorted(actions, key=lambda action: (action.started_ns, action.span_id)):
        found[action.session or action.trace_id].append(action)
    return dict(found)
