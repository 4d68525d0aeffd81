"""The tokenizer's reference: its answer to any text, and the files that it reads."""

from pathlib import Path
from random import Random

from pipeline.on_device.wordpiece import open_tokenizer
from pipeline.student.locate import find_model
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer
from tests.fuzz.loop import Case, Target, WrongAcceptanceError
from tests.fuzz.mutate import SHARE_ARBITRARY, arbitrary, mutate_bytes, mutate_json
from tests.vectors.texts import make_texts

_OF_A_TEXT, _OF_FILES = 0, 1
_TEXT = "text"
_FILES = ("tokenizer/vocab.txt", "tokenizer/unicode.json")


def on_device_target(work: Path) -> Target:
    """Returns the target of the reference: seven cases in eight are texts.

    It must give the tokens, ids and offsets that the tokenizers library gives for any text.
    """
    tokenizer = read_tokenizer(find_model(None)[1])
    part = tokenizer_part(tokenizer)
    write_tokenizer(tokenizer, work / "tokenizer")
    files = {name: (work / name).read_bytes() for name in _FILES}
    reference = open_tokenizer(work, part)
    texts = [text.encode() for text in make_texts()]

    def make(random: Random) -> Case:
        is_mutation = random.random() >= SHARE_ARBITRARY
        if random.random() < 7 / 8:
            damage = mutate_bytes if is_mutation else arbitrary
            text = damage(random, [text for text in random.sample(texts, 4) if text] or texts)
            return Case(files={_TEXT: text}, is_mutation=is_mutation, call=_OF_A_TEXT)
        name = random.choice(_FILES)
        damage = mutate_bytes if is_mutation else arbitrary
        if is_mutation and name.endswith(".json") and random.random() < 0.2:
            damage = mutate_json
        damaged = {**files, name: damage(random, [files[name]])}
        return Case(files=damaged, is_mutation=is_mutation, call=_OF_FILES)

    def read(folder: Path, case: Case) -> None:
        if case.call == _OF_FILES:
            open_tokenizer(folder, part).tokenize("Où est le phare, 灯台? [SEP] İstanbul \0")
            return
        text = case.files[_TEXT].decode("utf-8", "replace")
        found, expected = reference.tokenize(text), tokenizer.encode(text, add_special_tokens=False)
        theirs = (tuple(expected.tokens), tuple(expected.ids), tuple(expected.offsets))
        if (found.tokens, found.ids, found.offsets) != theirs:
            raise WrongAcceptanceError(f"{text!r} became {found}, and not {theirs}")

    return Target(name="on-device", make=make, read=read, named="tokenizer")
