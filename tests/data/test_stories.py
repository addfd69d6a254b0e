"""Generated stories: the gold answers and facts are true, and the kinds are what they say."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data import stories
from tfedu.data.stories import PEOPLE, ROOMS, ask, corpus, replay

TASKS = ["one", "two", "three", "any", "giving"]


def simulate(sentences):
    """Where everything is after each sentence, by brute force and without the generator's bookkeeping."""
    room, holder, lies, states = {}, {}, {}, []
    for person, verb, *rest in sentences:
        if verb == "went":
            room[person] = rest[-1]
        elif verb == "took":
            holder[rest[-1]] = person
        else:
            lies[rest[-1]] = room[person]
            del holder[rest[-1]]
        things = {t: lies[t] for t in lies} | {t: room[p] for t, p in holder.items()}
        states.append((dict(room), things))
    return states


@pytest.mark.parametrize("task", TASKS[:-1])
def test_answers_are_true(task):
    for story in corpus(300, task, seed=1):
        states = simulate(story.sentences)
        match story.question:
            case ("where", "is", "the", thing):
                assert states[-1][1][thing] == story.answer
            case ("where", "is", person):
                assert states[-1][0][person] == story.answer
            case ("where", "was", "the", thing, "before", "the", room):
                seen = [things.get(thing) for _, things in states]
                arrivals = [
                    i for i in range(1, len(seen)) if seen[i] == room and seen[i - 1] not in (None, room)
                ]
                assert seen[arrivals[-1] - 1] == story.answer


@pytest.mark.parametrize(("task", "count"), [("one", 1), ("two", 2), ("three", 3), ("giving", 1)])
def test_facts_are_enough(task, count):
    """The supporting facts alone, told in their order in the story, give the same answer."""
    for story in corpus(300, task, seed=2):
        assert len(story.facts) == len(set(story.facts)) == count
        if task == "giving":
            (fact,) = story.facts
            assert story.sentences[fact][:4] == (story.answer, *story.question[1:])
            continue
        assert story.facts[-1] < len(story.sentences)
        kept = sorted({*story.facts, *needed_to_take(story)})
        answer, facts = ask(replay(story.sentences[i] for i in kept), story.question)
        assert answer == story.answer
        assert tuple(kept[i] for i in facts) == story.facts


def needed_to_take(story):
    """What the world's rules ask for beside the facts: the taker's room, and for a drop the taking before."""
    needed = []
    first = story.sentences[story.facts[0]]
    if first[1] == "dropped":
        taking = [i for i in range(story.facts[0]) if story.sentences[i] == (first[0], "took", *first[2:])]
        needed.append(taking[-1])
    for i in [*needed, story.facts[0]]:
        if story.sentences[i][1] == "took":
            moves = [j for j in range(i) if story.sentences[j][:2] == (first[0], "went")]
            needed.append(moves[-1])
    return needed


def test_the_second_fact_alone_is_not_enough():
    """Where a thing is follows from the last move of its holder; the question does not name the holder."""
    for story in corpus(200, "two", seed=3):
        holder = story.sentences[story.facts[0]][0]
        assert story.sentences[story.facts[1]][0] == holder
        assert holder not in story.question


def test_giving_needs_the_order_of_words():
    for story in corpus(100, "giving", seed=4):
        turned = [(s[5], *s[1:5], s[0]) for s in story.sentences]
        assert [sorted(s) for s in turned] == [sorted(s) for s in story.sentences]
        assert turned[story.facts[0]][0] != story.answer


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_is_a_corpus(task):
    assert corpus(20, task, seed=5) == corpus(20, task, seed=5)
    assert corpus(20, task, seed=5) != corpus(20, task, seed=6)
    shortest, longest = stories.LENGTHS[task]
    lengths = {len(story.sentences) for story in corpus(300, task)}
    assert lengths == set(range(shortest, longest + 1))


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_balanced_and_words_known(task):
    found = corpus(1200, task, seed=7)
    choices = PEOPLE if task == "giving" else ROOMS
    for choice in choices:
        share = sum(story.answer == choice for story in found) / len(found)
        assert 0.7 / len(choices) < share < 1.4 / len(choices)
    tokenizer = stories.tokenizer()
    for story in found[:200]:
        for words in (*story.sentences, story.question, (story.answer,)):
            assert tokenizer.decode(tokenizer.encode(words)) == " ".join(words)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_a_told_story_replays(seed, length):
    world = stories.tell(random.Random(seed), length, things=True)
    again = replay(world.sentences)
    assert (again.room, again.place, again.holder, again.trips) == (
        world.room,
        world.place,
        world.holder,
        world.trips,
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([("anna", "took", "the", "lamp")], "nobody told where anna is"),
        ([("anna", "went", "to", "the", "moon")], "no sentence of this world"),
        ([("anna", "went", "to", "the", "hall"), ("anna", "dropped", "the", "lamp")], "does not hold"),
        (
            [
                ("anna", "went", "to", "the", "hall"),
                ("ben", "went", "to", "the", "hall"),
                ("anna", "took", "the", "lamp"),
                ("ben", "took", "the", "lamp"),
            ],
            "somebody holds it",
        ),
    ],
)
def test_an_impossible_story_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        replay(told)


def test_what_is_not_told_is_not_answered():
    world = replay([("anna", "went", "to", "the", "hall")])
    assert ask(world, ("where", "is", "anna")) == ("hall", (0,))
    for question in (
        ("where", "is", "ben"),
        ("where", "is", "the", "lamp"),
        ("where", "was", "the", "lamp", "before", "the", "hall"),
    ):
        with pytest.raises(ValueError, match="does not tell"):
            ask(world, question)
    with pytest.raises(ValueError, match="one, two, three, giving"):
        corpus(1, "four")
