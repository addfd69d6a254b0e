"""Stories of people, rooms and things, made here, with a question and the sentences that answer it.

After Weston et al. (2015), "Towards AI-Complete Question Answering", whose first three tasks need one, two and
three supporting facts; the fourth kind stands in for their tasks about the order of words. What is known for
certain here is the chain of sentences, in the order in which one needs them:

* ``one``: *where is Anna?* Her last move.
* ``two``: *where is the lamp?* Who took it (or left it) last, then where that person was at that time.
* ``three``: *where was the lamp before the kitchen?* Who took it, that person's move to the kitchen, and that
  person's move before.
* ``giving``: *who gave the lamp?* One sentence, of which the words alone do not tell: *Anna gave the lamp to
  Ben* and *Ben gave the lamp to Anna* are the same bag.
* ``any``: one of the first three, about a story with things; two and three only where the story has such a
  question.

Sentences are lists of lower-case words, without full stop.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from tfedu.data.text import WordTokenizer

Task = Literal["one", "two", "three", "giving", "any"]
Sentence = tuple[str, ...]

PEOPLE = ("anna", "ben", "carla", "david")
ROOMS = ("attic", "cellar", "garden", "hall", "kitchen", "library")
THINGS = ("apple", "book", "lamp")
WORDS = ("a", "before", "dropped", "gave", "is", "the", "to", "took", "was", "went", "where", "who")

#: Shortest and longest story of each task, in sentences.
LENGTHS: dict[Task, tuple[int, int]] = {
    "one": (4, 10),
    "two": (6, 14),
    "three": (12, 24),
    "giving": (2, 3),
    "any": (2, 14),
}


@dataclass(frozen=True)
class Story:
    """A story up to the moment when a question is asked.

    Attributes:
        sentences: the story, oldest first.
        question: its words.
        answer: one word.
        facts: places in `sentences` of the supporting facts, in the order in which one needs them.
    """

    sentences: tuple[Sentence, ...]
    question: Sentence
    answer: str
    facts: tuple[int, ...]

    def __str__(self) -> str:
        lines = [f"{number:2d}  {' '.join(words)}" for number, words in enumerate(self.sentences)]
        return "\n".join([*lines, f"    {' '.join(self.question)}? {self.answer} {self.facts}"])


def vocabulary() -> list[str]:
    """Every word that a story, a question or an answer can hold."""
    return [*WORDS, *PEOPLE, *ROOMS, *THINGS]


def tokenizer() -> WordTokenizer:
    """The words as numbers."""
    return WordTokenizer(vocabulary())


def corpus(count: int, task: Task, *, seed: int = 0) -> list[Story]:
    """`count` stories of one task; the same for the same seed.

    Raises:
        ValueError: for an unknown task or a negative count.
    """
    if task not in get_args(Task):
        raise ValueError(f"no task {task!r}; stories come with {', '.join(get_args(Task))}.")
    if count < 0:
        raise ValueError(f"count is {count}; ask for none or some stories.")
    rng = random.Random(f"{task} {seed}")
    found: list[Story] = []
    while len(found) < count:
        story = _giving(rng) if task == "giving" else _told(rng, task)
        if story is not None:
            found.append(story)
    return found


# --- The world -------------------------------------------------------------------------------------------------


class Trip(NamedTuple):
    """A thing carried from one room to another, and the three sentences that say so."""

    before: str
    after: str
    taken: int
    move: int
    earlier: int


class World:
    """Who is where and who holds what, each with the sentence that says so."""

    def __init__(self) -> None:
        self.sentences: list[Sentence] = []
        self.room: dict[str, tuple[str, int]] = {}  # a person's room and the move there
        self.holder: dict[str, str] = {}
        self.touched: dict[str, int] = {}  # the last time a thing was taken or dropped
        self.place: dict[str, tuple[str, int]] = {}  # its room, and the move there of whoever touched it last
        self.trips: dict[str, list[Trip]] = {}

    def go(self, person: str, room: str) -> None:
        """A person walks to a room, with all that the person holds."""
        now = self._say(person, "went", "to", "the", room)
        for thing in self.held(person):
            before, earlier = self.room[person]
            trip = Trip(before, room, self.touched[thing], now, earlier)
            self.trips.setdefault(thing, []).append(trip)
            self.place[thing] = room, now
        self.room[person] = room, now

    def take(self, person: str, thing: str) -> None:
        """A person, whose room is known, picks up a thing that nobody holds."""
        self.touched[thing] = self._say(person, "took", "the", thing)
        self.holder[thing], self.place[thing] = person, self.room[person]

    def drop(self, person: str, thing: str) -> None:
        """The holder leaves a thing in the room."""
        self.touched[thing] = self._say(person, "dropped", "the", thing)
        del self.holder[thing]

    def held(self, person: str) -> list[str]:
        """What a person holds."""
        return [thing for thing in THINGS if self.holder.get(thing) == person]

    def near(self, person: str) -> list[str]:
        """What a person may take: what lies in the room, and what may be anywhere, since nobody told."""
        here = self.room[person][0]
        return [t for t in THINGS if t not in self.holder and self.place.get(t, (here, 0))[0] == here]

    def _say(self, *words: str) -> int:
        self.sentences.append(words)
        return len(self.sentences) - 1


def tell(rng: random.Random, length: int, *, things: bool) -> World:
    """A story of `length` sentences: people walk and, with `things`, take and drop."""
    world = World()
    while len(world.sentences) < length:
        person = rng.choice(PEOPLE)
        here = world.room.get(person, ("", 0))[0]
        roll = rng.random() if things and here else 1.0
        if roll < 0.35 and (near := world.near(person)):
            world.take(person, rng.choice(near))
        elif roll < 0.5 and (held := world.held(person)):
            world.drop(person, rng.choice(held))
        else:
            world.go(person, rng.choice([room for room in ROOMS if room != here]))
    return world


def replay(sentences: Iterable[Sentence]) -> World:
    """The world after a story that someone else wrote.

    Raises:
        ValueError: if a sentence is none of this world, or cannot happen; the message says why.
    """
    world = World()
    for sentence in sentences:
        match sentence:
            case (person, "went", "to", "the", room) if person in PEOPLE and room in ROOMS:
                world.go(person, room)
            case (person, "took", "the", thing) if person in PEOPLE and thing in THINGS:
                if person not in world.room:
                    raise ValueError(f"nobody told where {person} is, so {person} cannot take the {thing}.")
                if thing not in world.near(person):
                    raise ValueError(f"the {thing} is not where {person} is, or somebody holds it.")
                world.take(person, thing)
            case (person, "dropped", "the", thing) if person in PEOPLE and thing in THINGS:
                if world.holder.get(thing) != person:
                    raise ValueError(f"{person} does not hold the {thing}.")
                world.drop(person, thing)
            case _:
                raise ValueError(f"{' '.join(sentence)!r} is no sentence of this world.")
    return world


def ask(world: World, question: Sentence) -> tuple[str, tuple[int, ...]]:
    """The answer to a question about a told story, and the facts that give it.

    Questions: ``where is PERSON``, ``where is the THING``, ``where was the THING before the ROOM``.

    Raises:
        ValueError: if the story does not tell, or the question is none of these.
    """
    match question:
        case ("where", "is", person) if person in world.room:
            room, move = world.room[person]
            return room, (move,)
        case ("where", "is", "the", thing) if thing in world.place:
            room, move = world.place[thing]
            return room, (world.touched[thing], move)
        case ("where", "was", "the", thing, "before", "the", room):
            for trip in reversed(world.trips.get(thing, [])):
                if trip.after == room:
                    return trip.before, (trip.taken, trip.move, trip.earlier)
    raise ValueError(f"the story does not tell: {' '.join(question)}?")


def _told(rng: random.Random, task: Task) -> Story | None:
    """A story and a question of one task, or None if this story has no such question."""
    world = tell(rng, rng.randint(*LENGTHS[task]), things=task != "one")
    ends = {(thing, trip.after) for thing, trips in world.trips.items() for trip in trips}
    kinds: dict[Task, list[Sentence]] = {
        "one": [("where", "is", person) for person in world.room],
        "two": [("where", "is", "the", thing) for thing in world.place],
        "three": [("where", "was", "the", thing, "before", "the", room) for thing, room in sorted(ends)],
    }
    questions = kinds[rng.choice(("one", "two", "three")) if task == "any" else task]
    if not questions:
        return None
    question = rng.choice(questions)
    answer, facts = ask(world, question)
    return Story(tuple(world.sentences), question, answer, facts)


def _giving(rng: random.Random) -> Story:
    """A few things change hands, each once."""
    things = rng.sample(THINGS, rng.randint(*LENGTHS["giving"]))
    pairs = [rng.sample(PEOPLE, 2) for _ in things]
    sentences = tuple((a, "gave", "the", t, "to", b) for t, (a, b) in zip(things, pairs, strict=True))
    which = rng.randrange(len(things))
    return Story(sentences, ("who", "gave", "the", things[which]), pairs[which][0], (which,))
