"""Texts as tensors, and whether a string is a molecule."""

import pytest
import torch

from gan_course import UserError, data, evaluation


@pytest.mark.parametrize("texts", [data.WORDS, tuple(data.MOLECULES.values())], ids=["words", "molecules"])
def test_texts_come_back_from_their_letters(texts):
    strings = data.Strings(texts)
    x = strings.one_hot()
    assert x.shape == (len(texts), strings.length, len(strings.letters)) and (x.sum(2) == 1).all()
    assert strings.read(x) == list(texts)
    assert strings.read(strings.one_hot(texts[:2])) == list(texts[:2])


def test_words_and_molecules_are_what_they_are_said_to_be():
    assert len(set(data.WORDS)) == len(data.WORDS) and {len(word) for word in data.WORDS} == {4}
    assert " " not in data.Strings(data.WORDS).letters
    assert len(set(data.MOLECULES.values())) == len(data.MOLECULES)
    assert data.MOLECULES["ethanol"] == "CCO" and data.MOLECULES["benzene"] == "c1ccccc1"


@pytest.mark.parametrize("texts", [[], ["a b"], [""]])
def test_what_is_no_text_is_refused_in_one_line(texts):
    with pytest.raises(UserError, match="strings are made of"):
        data.Strings(texts)


@pytest.mark.parametrize("parse", [evaluation.is_molecule, evaluation.looks_like_molecule])
def test_molecules_are_told_from_strings(parse):
    assert all(map(parse, data.MOLECULES.values()))
    wrong = "C( C)C C1CC C= =C ()C CC()C C(C)(C)(C)(C)C O=O=O N#N#N C11 C#O C(=O)(=O)C hello 1C1"
    assert not [text for text in ["", *wrong.split()] if parse(text)]


def test_the_check_without_rdkit_is_weaker_and_not_stricter():
    assert evaluation.looks_like_molecule("c1cc1Nc1ccccC1")  # no such aromatic ring
    assert torch.is_tensor(data.Strings(["CC"]).one_hot())
