"""Is a string a molecule? rdkit says so where it is installed; without it a weaker check of brackets, rings and bonds."""

import re

BONDS = {
    "C": 4,
    "N": 3,
    "O": 2,
    "c": 3,
    "n": 2,
    "o": 2,
}  # an atom may have so many
ORDER = {"=": 2, "#": 3}


def rdkit_parser():
    """rdkit's parser (None for a string that is no molecule), silenced; None where rdkit is not installed."""
    try:
        from rdkit import Chem, RDLogger
    except ImportError:
        return None
    RDLogger.DisableLog("rdApp.*")
    return Chem.MolFromSmiles


def is_molecule(smiles: str) -> bool:
    """Whether a SMILES string names a possible molecule, by rdkit, or by `looks_like_molecule` where that is not installed."""
    parse = rdkit_parser()
    return bool(smiles) and (looks_like_molecule(smiles) if parse is None else parse(smiles) is not None)


def looks_like_molecule(smiles: str) -> bool:
    """Whether a string of C, N, O, c, n, o, =, #, brackets and ring digits could be a molecule (Weininger 1988, SMILES).

    Brackets close, every ring digit comes in pairs, a bond joins two atoms, no atom has more bonds than it can. Weaker than
    rdkit: an aromatic ring need not be one that exists.
    """
    if not re.fullmatch(r"[CNOcno=#()1-9]+", smiles):
        return False
    used, branches, rings, last, order, before = [], [], {}, None, 0, ""
    for letter in smiles:
        if letter in BONDS:
            used.append([letter, 0])
            here = len(used) - 1
            if last is not None and not _join(used, last, here, order):
                return False
            last, order = here, 0
        elif last is None or (order and letter not in "123456789"):
            return False  # nothing to hang on, or a bond to nothing
        elif letter in ORDER:
            order = ORDER[letter]
        elif letter == "(":
            branches.append(last)
        elif letter == ")":
            if not branches or before == "(":
                return False
            last = branches.pop()
        elif letter in rings:
            other, its_order = rings.pop(letter)
            if other == last or not _join(used, other, last, order or its_order):
                return False
            order = 0
        else:
            rings[letter], order = (last, order), 0
        before = letter
    aromatic_alone = any(letter.islower() for letter, _ in used) and not re.search(r"\d", smiles)
    return not branches and not rings and not order and before != "(" and not aromatic_alone


def _join(used: list, a: int, b: int, order: int) -> bool:
    """Note a bond between two atoms; False where one of them has too many."""
    for atom in (a, b):
        used[atom][1] += order or 1
    return all(n <= BONDS[letter] for letter, n in (used[a], used[b]))
