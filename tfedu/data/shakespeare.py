"""Tiny Shakespeare: 40,000 lines from the plays, 1.1 million characters, as Karpathy's char-rnn (2015) uses them.

Licence: the plays are in the public domain.
"""

from pathlib import Path
from typing import Literal, get_args

from tfedu.data.download import fetch

Split = Literal["train", "val"]

#: A scene from the part to validate (The Tempest, I.2), for figures where the files are not at hand.
PASSAGE = """MIRANDA:
If by your art, my dearest father, you have
Put the wild waters in this roar, allay them.
The sky, it seems, would pour down stinking pitch,
But that the sea, mounting to the welkin's cheek,
Dashes the fire out. O, I have suffered
With those that I saw suffer: a brave vessel,
Who had, no doubt, some noble creature in her,
Dash'd all to pieces. O, the cry did knock
Against my very heart. Poor souls, they perish'd.
Had I been any god of power, I would
Have sunk the sea within the earth or ere
It should the good ship so have swallow'd and
The fraughting souls within her.

PROSPERO:
Be collected:
No more amazement: tell your piteous heart
There's no harm done.

MIRANDA:
O, woe the day!

PROSPERO:
No harm.
I have done nothing but in care of thee,
Of thee, my dear one, thee, my daughter, who
Art ignorant of what thou art, nought knowing
Of whence I am, nor that I am more better
Than Prospero, master of a full poor cell,
And thy no greater father.

MIRANDA:
More to know
Did never meddle with my thoughts.

PROSPERO:
'Tis time
I should inform thee farther. Lend thy hand,
And pluck my magic garment from me. So:
Lie there, my art. Wipe thou thine eyes; have comfort.
The direful spectacle of the wreck, which touch'd
The very virtue of compassion in thee,
I have with such provision in mine art
So safely ordered that there is no soul--
No, not so much perdition as an hair
Betid to any creature in the vessel
Which thou heard'st cry, which thou saw'st sink. Sit down;
For thou must now know farther.
"""

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
CHARACTERS = 1_115_394
#: The first nine tenths are for training, as is usual; the set has no split of its own.
TRAINING = 1_003_854


def load(split: Split, folder: str | Path | None = None) -> str:
    """The first 90 % of the text, for training, or the last 10 %, to validate.

    Args:
        split: ``"train"`` or ``"val"``.
        folder: a folder that holds ``tinyshakespeare/input.txt``; by default ``TFEDU_DATA``, or a download (1.1 MB).

    Raises:
        ValueError: if there is no such split.
        DataError: if the file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
    """
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there is {' and '.join(get_args(Split))}.")
    text = fetch("tinyshakespeare/input.txt", URL, SHA256, folder).read_text("ascii")
    return text[:TRAINING] if split == "train" else text[TRAINING:]
