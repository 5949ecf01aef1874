"""Logins, merges, moves and forgettings in any order: names, aliases and conflicts stay true to a model."""

from dataclasses import dataclass, field
from random import Random

import pytest

from tests.store.moments import NOW
from wxgate.login.records import IdentityKind, Name, Profile
from wxgate.store import Store

STEPS = 150

NAMES = [Name(IdentityKind.OPENID, f"wx{app}", f"o-{n}") for app in range(3) for n in range(4)]
NAMES += [Name(IdentityKind.UNIONID, "shops", f"u-{n}") for n in range(3)]


@dataclass
class Model:
    """What must be so, without a database."""

    owner: dict[Name, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    alias: dict[str, str] = field(default_factory=dict)
    pairs: set[frozenset[str]] = field(default_factory=set)
    """Subjects that are known to be one person and are not merged."""

    def resolve(self, names: list[Name], new: str) -> str:
        sub = next((self.owner[name] for name in names if name in self.owner), new)
        self.people.add(sub)
        for name in names:
            if self.owner.setdefault(name, sub) != sub:
                self.pairs.add(frozenset((sub, self.owner[name])))
        return sub

    def merge(self, kept: str, other: str) -> bool:
        if kept == other or not {kept, other} <= self.people - self.alias.keys():
            return False
        self.owner = {name: kept if sub == other else sub for name, sub in self.owner.items()}
        self.alias = {a: kept if of == other else of for a, of in self.alias.items()} | {other: kept}
        moved = {frozenset(kept if end == other else end for end in pair) for pair in self.pairs}
        self.pairs = {pair for pair in moved if len(pair) == 2}
        return True

    def move(self, old: Name, new: Name) -> str:
        if old not in self.owner:
            return "unknown"
        if new not in self.owner:
            self.owner[new] = self.owner[old]
            return "linked"
        if self.owner[new] == self.owner[old]:
            return "known"
        self.pairs.add(frozenset((self.owner[old], self.owner[new])))
        return "conflict"

    def forget(self, sub: str) -> bool:
        gone = {sub, *(alias for alias, of in self.alias.items() if of == sub)}
        there = sub in self.people
        self.people -= gone
        self.alias = {alias: of for alias, of in self.alias.items() if alias not in gone}
        self.owner = {name: owner for name, owner in self.owner.items() if owner not in gone}
        self.pairs = {pair for pair in self.pairs if not pair & gone}
        return there


async def step(store: Store, model: Model, random: Random, number: int) -> None:
    identities, subs = store.login.identities, sorted(model.people) or ["u_none"]
    match random.choices(("log in", "merge", "move", "forget"), (12, 3, 2, 1))[0]:
        case "log in":
            names = random.sample(NAMES, random.randint(1, 3))
            subject, _ = await identities.resolve(
                "shops", names, new_sub=f"u_{number}", profile=Profile(), now=NOW
            )
            assert subject.sub == model.resolve(names, f"u_{number}")
        case "merge":
            kept, other = random.choice(subs), random.choice(subs)
            merged = await identities.merge("shops", kept=kept, other=other, now=NOW)
            assert merged == model.merge(kept, other)
        case "move":
            old, new = random.choice(NAMES[:4]), random.choice(NAMES[4:8])
            outcome = await identities.move_openids(
                "shops", from_appid="wx0", to_appid="wx1", openids={old.value: new.value}, now=NOW
            )
            assert outcome == {old.value: model.move(old, new)}
        case "forget":
            sub = random.choice(subs)
            assert await identities.forget("shops", sub) == model.forget(sub)


@pytest.mark.parametrize("seed", range(2))
async def test_a_walk_through_everything_that_happens_to_names(store: Store, seed: int) -> None:
    model, random, identities = Model(), Random(seed), store.login.identities
    for number in range(STEPS):
        await step(store, model, random, number)
        assert await identities.find("shops", NAMES) == model.owner
    found = await identities.subjects("shops", limit=1000)
    assert {each.sub: each.alias_of for each in found if each.alias_of} == model.alias
    assert {each.sub for each in found} == model.people
    conflicts = await identities.conflicts("shops")
    assert {frozenset((each.kept, each.other)) for each in conflicts} == model.pairs
