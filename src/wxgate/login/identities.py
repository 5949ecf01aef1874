"""Who somebody is: WeChat's names for a person, all from one verified answer, stand for one subject (P2).

The `sub` is ours and says nothing: names come and go (a unionid appears, an account moves), it stays.
"""

from datetime import datetime

from wxgate.login.ports import Identities
from wxgate.login.records import IdentityKind, Name, Proof, Realm, Subject
from wxgate.login.telling import Listener
from wxgate.login.values import Random, make_sub


def names_of(realm: str, proof: Proof) -> tuple[Name, ...]:
    """List the names that a proof gives, the openid first: it decides where the two disagree."""
    names = [Name(IdentityKind.OPENID, proof.appid, proof.openid)]
    if proof.unionid:
        names.append(Name(IdentityKind.UNIONID, realm, proof.unionid))
    return tuple(names)


class People:
    """Finds the subject that a proof is about, or makes it."""

    def __init__(self, store: Identities, listener: Listener, random: Random) -> None:
        self._store = store
        self._listener = listener
        self._random = random

    async def resolve(self, realm: Realm, proof: Proof, now: datetime) -> Subject:
        """Return the subject of a proof; a contradiction is told, and both subjects stay.

        A proof from a snapshot page is of nobody: it must not get here.
        """
        if proof.snapshot:
            raise ValueError("a snapshot page proves nobody's identity")
        subject, conflicts = await self._store.resolve(
            realm.name,
            names_of(realm.name, proof),
            new_sub=make_sub(self._random),
            profile=proof.profile,
            now=now,
        )
        for conflict in conflicts:
            await self._listener.conflict(conflict)
        return subject
