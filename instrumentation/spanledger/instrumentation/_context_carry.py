"""Work that is handed to a thread, an executor or another process stays its owner's.

Python's threads start with an empty context, so that a thread pool would escape the budget of
its session, and the trace would lose its parent. OpenTelemetry's `threading` instrumentation
mends that for plain threads, if it is loaded, and not for subclasses of `Thread` that have a `run`
of their own, nor for processes. A budget must not depend on it: this hands over by itself, and
does no harm beside it. A host that has switched that instrumentation off gets the scope handed
over, which limits need, and no parent span.

What goes to another process is pickled with the work itself (see `spanledger.track.carry`).
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from spanledger.instrumentation import _wrapping
from spanledger.track import Carried, Scope, arrive, attach, carry, current_scope, in_scope

_DISABLED_ENV = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
#: Begin of the names of our own threads.
_OUR_THREADS = "spanledger"
#: Of `multiprocessing.pool.Pool`; each takes the function first.
_POOL = ("apply_async", "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")


class _State:
    active = False
    """Import hooks can't be taken back; they look here."""
    parents = True
    """Whether spans in threads keep their parent."""


def install(environ: Mapping[str, str]) -> None:
    """Begin to hand over. Executors and processes are wrapped when they are imported."""
    switched_off = {name.strip() for name in environ.get(_DISABLED_ENV, "").split(",")}
    _State.parents = not switched_off & {"*", "threading"}
    _wrapping.wrap(threading.Thread, "start", _start_thread)
    # The threading instrumentation leaves a `start` of its own in `Timer`, also when it goes.
    if "start" in vars(threading.Timer):
        _wrapping.wrap(threading.Timer, "start", _start_thread)
    if not _State.active:
        _State.active = True
        for module, put_in in _MODULES.items():
            wrapt.register_post_import_hook(partial(_if_active, put_in), module)


def uninstall() -> None:
    """Put everything back."""
    _State.active = False
    for owner in (threading.Thread, *_wrapped_owners):
        _wrapping.unwrap(owner)
    _wrapped_owners.clear()


_wrapped_owners: list[type] = []


def _if_active(put_in: Callable[[ModuleType], None], module: ModuleType) -> None:
    if _State.active:
        put_in(module)


def _put_into(owner: type, names: tuple[str, ...], wrapper: Callable[..., Any]) -> None:
    _wrapped_owners.append(owner)
    for name in names:
        _wrapping.wrap(owner, name, wrapper)


# --- threads --------------------------------------------------------------------------------------


def _handed_over() -> Context | None:
    """What a thread is given; None if there is nothing to give."""
    if _State.parents:
        return otel_context.get_current() or None
    scope = current_scope()
    return in_scope(scope, Context()) if scope != Scope() else None


def _start_thread(start: Any, thread: Any, args: Any, kwargs: Any) -> Any:
    context = None if _works_for_many(thread) else _handed_over()
    if context is None or "run" in vars(thread):
        return start(*args, **kwargs)
    # On the thread and not on its class, which may have a `run` of its own.
    thread.run = partial(_run_thread, thread, context, thread.run)
    try:
        return start(*args, **kwargs)
    except BaseException:
        vars(thread).pop("run", None)
        raise


def _works_for_many(thread: Any) -> bool:
    """Our own threads, and those of an executor, which gets the context with each task."""
    if thread.name.startswith(_OUR_THREADS):
        return True
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) == "concurrent.futures.thread"


def _run_thread(thread: Any, context: Context, run: Callable[[], object]) -> None:
    # The thread must not hold itself, nor the spans around its start, once it is over.
    vars(thread).pop("run", None)
    token = otel_context.attach(context)
    try:
        run()
    finally:
        otel_context.detach(token)


class _InContext:
    """A function that is called in a thread of this process, in another's context."""

    def __init__(self, function: Callable[..., Any], context: Context) -> None:
        self._function, self._context = function, context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = otel_context.attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            otel_context.detach(token)


def _submit_to_thread(submit: Any, executor: Any, args: Any, kwargs: Any) -> Any:
    # Its workers are interpreters of their own: nothing but what can be pickled goes there.
    if type(executor).__name__ == "InterpreterPoolExecutor" or not args:
        return submit(*args, **kwargs)
    function = _InContext(args[0], _handed_over() or Context())
    return submit(function, *args[1:], **kwargs)


# --- processes ------------------------------------------------------------------------------------


class CarriedCall:
    """A function that is called in another process for those who sent it. Picklable."""

    def __init__(self, function: Callable[..., Any], context: Carried) -> None:
        self._function, self._context = function, context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with attach(self._context):
            return self._function(*args, **kwargs)


class _Arrival:
    """Part of a process object: when the child unpickles it, the child belongs to its parent.

    A child that was forked has its parent's context anyway, and unpickles nothing.
    """

    def __init__(self, context: Carried) -> None:
        self._context = context

    def __reduce__(self) -> tuple[Any, ...]:
        return arrived, (self._context.as_dict(),)


def arrived(texts: Mapping[str, str]) -> None:
    """Called in the child, before its work begins."""
    arrive(texts)


def _start_process(start: Any, process: Any, args: Any, kwargs: Any) -> Any:
    process._spanledger_arrival = _Arrival(carry())
    try:
        return start(*args, **kwargs)
    finally:
        del process._spanledger_arrival


def _submit_to_process(submit: Any, _executor: Any, args: Any, kwargs: Any) -> Any:
    if not args:
        return submit(*args, **kwargs)
    return submit(CarriedCall(args[0], carry()), *args[1:], **kwargs)


# `multiprocessing.pool.ThreadPool` is a `Pool` too; there the call is never pickled.


def _executor_threads(module: Any) -> None:
    _put_into(module.ThreadPoolExecutor, ("submit",), _submit_to_thread)


def _executor_processes(module: Any) -> None:
    _put_into(module.ProcessPoolExecutor, ("submit",), _submit_to_process)


def _processes(module: Any) -> None:
    _put_into(module.BaseProcess, ("start",), _start_process)


def _pools(module: Any) -> None:
    _put_into(module.Pool, _POOL, _submit_to_process)


_MODULES: dict[str, Callable[[Any], None]] = {
    "concurrent.futures.thread": _executor_threads,
    "concurrent.futures.process": _executor_processes,
    "multiprocessing.process": _processes,
    "multiprocessing.pool": _pools,
}
