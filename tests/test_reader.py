"""The reader: text in, answer and looks out; and the recipes that make one."""

import pytest
import torch

from tfedu.data import stories
from tfedu.models.memn2n import MemN2N, MemN2NConfig
from tfedu.reader import Reader
from tfedu.trace import pin
from tfedu.train import Options, train
from tfedu.train.recipes import ALL
from tfedu.train.stories import answers, encode, error, hits, looks

WORDS = stories.tokenizer()


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    model = MemN2N(MemN2NConfig(len(WORDS), memory=12))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6)  # so that the looks differ
    return Reader(model, WORDS)


def test_it_reads_as_the_batch_does(reader):
    told = stories.corpus(40, "two", seed=3)
    batch = encode(told, WORDS, memory=12)
    together, maps = answers(reader.model, batch).softmax(-1), looks(reader.model, batch)
    for row, story in enumerate(told):
        reading = reader.read(story)
        assert reading.odds[story.answer] == pytest.approx(float(together[row, batch.answer[row]]), abs=1e-5)
        assert reading.answer == WORDS.tokens([int(together[row].argmax())])[0]
        S = min(12, len(story.sentences))
        torch.testing.assert_close(reading.looks, maps[:, row, :S], atol=1e-5, rtol=1e-4)
        assert (maps[:, row, S:] == 0).all()
    assert list(reading.odds.values()) == sorted(reading.odds.values(), reverse=True)


def test_texts_and_words_are_one(reader):
    told = ["Anna went to the hall.", "anna took the lamp"]
    a = reader(told, "Where is the lamp?")
    b = reader([tuple(s.lower().rstrip(".").split()) for s in told], ("where", "is", "the", "lamp"))
    assert a.odds == b.odds


def test_a_hop_can_be_moved(reader):
    told = ["anna went to the hall", "ben went to the attic", "anna took the lamp"]
    moved = reader(told, "where is the lamp", edit={"hop.1": pin(0, 1)})
    assert moved.looks[1].tolist() == [0, 1, 0]
    assert moved.odds != reader(told, "where is the lamp").odds


def test_bad_input_is_named(reader):
    with pytest.raises(ValueError, match="at least one sentence"):
        reader([], "where is anna")
    with pytest.raises(ValueError, match="moon: not among the words"):
        reader(["anna went to the moon"], "where is anna")
    with pytest.raises(ValueError, match="at least one word"):
        reader(["anna went to the hall"], " ?")


def test_hits_by_hand(reader):
    """Against loops over single questions."""
    told = stories.corpus(60, "two", seed=4)
    batch = encode(told, WORDS, memory=12)
    for right in (True, False):
        found = hits(reader.model, batch, right=right)
        counts = torch.zeros(3, 2)
        totals = torch.zeros(2)
        for story in told:
            reading = reader.read(story)
            if right and reading.answer != story.answer:
                continue
            cut = max(0, len(story.sentences) - 12)
            for f, fact in enumerate(story.facts):
                if fact < cut:
                    continue
                totals[f] += 1
                for hop in range(3):
                    counts[hop, f] += int(reading.looks[hop].argmax()) == fact - cut
        torch.testing.assert_close(found, counts / totals, equal_nan=True)


@pytest.mark.parametrize("name", ["memn2n-two-3hop", "memn2n-giving-bag", "memn2n-two-layerwise"])
def test_a_recipe_trains_and_ships(name, tmp_path):
    options = Options(tmp_path, steps=None, seed=1, settings={"stories": "64", "epochs": "3", "linear": "1"})
    run = ALL[name](options)
    assert options.unknown() == set()
    history = train(run.model, run.batches, run.loss, config=run.config, quiet=True)
    assert run.config.optimizer == "sgd"
    assert run.batches.batch(0).linear
    run.finish(run.model, history, tmp_path)
    again = Reader.from_pretrained(tmp_path / f"{name}-seed1.safetensors")
    assert again.model.config == run.model.config
    assert 0 <= error(again.model, run.batches.data) <= 1


def test_training_and_test_stories_are_apart():
    from tfedu.train.recipes.stories import held_out

    run = ALL["memn2n-giving-bag"](Options("unused", settings={"stories": "3000"}))
    known = {(story.sentences, story.question) for story in held_out("giving")}
    trained = [s for s in stories.corpus(3000, "giving", seed=0) if (s.sentences, s.question) not in known]
    assert len(run.batches.data) == len(trained) < 3000
