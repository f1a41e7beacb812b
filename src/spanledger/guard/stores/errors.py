"""What a store raises when it can't do its work."""


class StoreUnavailable(RuntimeError):
    """The ledger can't be read or written, so nothing that needs it may be let through.

    `store` names it (a path, an address), `problem` says what failed, `advice` what to do.
    """

    def __init__(self, store: str, problem: str, advice: str) -> None:
        super().__init__(f"The ledger {store} can't be used: {problem}. {advice}")
        self.store = store
        self.problem = problem
        self.advice = advice

    def __reduce__(self) -> tuple[type["StoreUnavailable"], tuple[str, str, str]]:
        return type(self), (self.store, self.problem, self.advice)
