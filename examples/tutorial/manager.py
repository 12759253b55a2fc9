"""Objects that live in a server process: ``python manager.py [fork|spawn|forkserver]``."""

import sys

import procession
from procession.managers import BaseManager


class Account:
    """A class of the program's own."""

    def __init__(self, balance):
        self.balance = balance

    def deposit(self, amount):
        """Add to the balance, and return it."""
        self.balance += amount
        return self.balance


class Bank(BaseManager):
    """A manager that offers accounts."""


Bank.register("Account", Account)


def fill(words, log, account, number):
    """Change all three, from another process."""
    words[f"process {number}"] = number * 10
    log.append(number)
    account.deposit(number)


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Manager() as manager, Bank() as bank:
        words, log, account = manager.dict(), manager.list(), bank.Account(100)
        for number in range(3):
            arguments = (words, log, account, number)
            process = procession.Process(target=fill, args=arguments)
            process.start()
            process.join()
        print(dict(words))
        print(list(log))
        print("balance:", account.deposit(0))
