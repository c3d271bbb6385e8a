"""A homeserver by value, for the accounts made on it: what it holds, and how it fails."""

from identity.homeservers.admin_client import ExistingAccount, Found, NameTaken


class FakeHomeserver:
    """`failures`: what is raised once at a place. The real one is in gateways/test_homeserver.py."""

    def __init__(self):
        self.names: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        self.failures: dict[str, Exception] = {}
        self.deactivated: set[str] = set()

    def holder_of(self, address):
        self._fail("holder_of")
        return self.addresses.get(address)

    def describe(self, user_id):
        addresses = [each for each, holder in self.addresses.items() if holder == user_id]
        is_gone = user_id in self.deactivated
        return ExistingAccount(user_id, self.names.get(user_id, ""), tuple(addresses), is_gone)

    def look(self, account):
        self._fail("look")
        holder = self.addresses.get(account.address)
        if holder not in {None, account.user_id}:
            return Found.ADDRESS_HELD
        name = self.names.get(account.user_id)
        if name is None:
            return Found.NOTHING
        if name == account.mark:
            return Found.BEGUN
        return Found.FINISHED if holder else Found.NAME_TAKEN

    def create(self, account, registered):
        self._fail("create")
        if account.user_id in self.names:
            raise NameTaken
        self.names[account.user_id] = account.mark
        self.passwords[account.user_id] = account.password.get_secret_value()
        self._fail("after register")
        registered()
        self._complete(account)

    def finish(self, account):
        self.passwords[account.user_id] = account.password.get_secret_value()
        self._complete(account)

    def probe(self):
        self._fail("probe")

    def _complete(self, account):
        self.addresses[account.address] = account.user_id
        self.names[account.user_id] = account.display_name
        self._fail("after complete")

    def _fail(self, place):
        if place in self.failures:
            raise self.failures.pop(place)
