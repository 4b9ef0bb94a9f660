"""Strings as data: common English words of four letters, small molecules as SMILES, and the way to tensors and back."""

import torch
from torch import Tensor

from gan_course import UserError

COMMON = """
able acid aged also area army away baby back ball band bank base bath bean bear beat been beer bell belt bend best bill bird
bite blue boat body bone book boot born both bowl bulk burn bush busy cake call calm came camp card care cart case cash cast
cell chat chip city clay clip club coal coat code cold come cook cool copy core corn cost crew crop dark data date dawn days
dead deal dear debt deep deer desk dial diet dirt dish dock does done door dose down draw drew drop drum dual duck dust duty
each earn ease east easy edge else even ever evil exit face fact fade fail fair fall fame farm fast fate fear feed feel feet
fell felt file fill film find fine fire firm fish five flag flat flow fold folk food foot ford form fort four free frog from
fuel full fund gain game gate gave gear gift girl give glad goal goat goes gold golf gone good gray grew grey grid grow gulf
hair half hall hand hang hard harm hate have head hear heat held help here hero hide high hill hint hire hold hole holy home
hope horn host hour huge hung hunt hurt idea inch into iron item join joke jump jury just keen keep kept kick kind king knee
knew know lack lady laid lake lamp land lane last late lawn lead leaf lean left lend less life lift like lime line link lion
list live load loan lock long look lord lose loss lost loud love luck made mail main make male mall many mark mask mass mate
meal mean meat meet melt menu mice mild mile milk mill mind mine miss mode mood moon more most move much must myth nail name
near neat neck need nest news next nice nine node none noon nose note noun oath obey odds okay once only onto open oral oven
over pace pack page paid pain pair palm park part pass past path peak pear pick pile pine pink pipe plan play plot plug plus
poem poet pole pond pool poor port post pour pull pump pure push race rail rain rank rare rate read real rear rely rent rest
rice rich ride ring rise risk road rock role roll roof room root rope rose rule rush safe sail salt same sand save seal seat
seed seek seem seen self sell send sent shed ship shoe shop shot show shut sick side sign silk sing sink site size skin slip
slow snow soap soft soil sold sole some song soon sort soul soup spin spot star stay stem step stop suit sure swim tail take
tale talk tall tank tape task team tear tell tend tent term test text than that them then they thin this tide tidy till time
tiny tone took tool tour town tree trip true tube tune turn twin type unit upon used user vary vast verb very vice view vote
wage wait wake walk wall want ward warm wash wave weak wear week well went were west what when whom wide wife wild will wind
wine wing wire wise wish with wolf wood wool word wore work worm yard year your zero zone
"""
WORDS = tuple(COMMON.split())

MOLECULES = {
    "water": "O", "methane": "C", "ammonia": "N", "ethane": "CC", "propane": "CCC", "butane": "CCCC", "pentane": "CCCCC",
    "hexane": "CCCCCC", "heptane": "CCCCCCC", "octane": "CCCCCCCC", "isobutane": "CC(C)C", "isopentane": "CCC(C)C",
    "neopentane": "CC(C)(C)C", "isooctane": "CC(C)CC(C)(C)C", "ethylene": "C=C", "propylene": "CC=C", "1-butene": "CCC=C",
    "2-butene": "CC=CC", "isobutylene": "CC(=C)C", "butadiene": "C=CC=C", "isoprene": "CC(=C)C=C", "acetylene": "C#C",
    "propyne": "CC#C", "cyclopropane": "C1CC1", "cyclobutane": "C1CCC1", "cyclopentane": "C1CCCC1", "cyclohexane": "C1CCCCC1",
    "cycloheptane": "C1CCCCCC1", "cyclohexene": "C1CCC=CC1", "methylcyclohexane": "CC1CCCCC1",
    "limonene": "CC1=CCC(CC1)C(=C)C", "benzene": "c1ccccc1", "toluene": "Cc1ccccc1", "ethylbenzene": "CCc1ccccc1",
    "cumene": "CC(C)c1ccccc1", "styrene": "C=Cc1ccccc1", "o-xylene": "Cc1ccccc1C", "m-xylene": "Cc1cccc(C)c1",
    "p-xylene": "Cc1ccc(C)cc1", "mesitylene": "Cc1cc(C)cc(C)c1", "naphthalene": "c1ccc2ccccc2c1",
    "anthracene": "c1ccc2cc3ccccc3cc2c1", "biphenyl": "c1ccc(cc1)c1ccccc1", "methanol": "CO", "ethanol": "CCO",
    "1-propanol": "CCCO", "isopropanol": "CC(C)O", "1-butanol": "CCCCO", "2-butanol": "CCC(C)O", "isobutanol": "CC(C)CO",
    "tert-butanol": "CC(C)(C)O", "1-pentanol": "CCCCCO", "1-hexanol": "CCCCCCO", "1-octanol": "CCCCCCCCO",
    "cyclohexanol": "OC1CCCCC1", "benzyl alcohol": "OCc1ccccc1", "ethylene glycol": "OCCO", "propylene glycol": "CC(O)CO",
    "glycerol": "OCC(O)CO", "erythritol": "OCC(O)C(O)CO", "xylitol": "OCC(O)C(O)C(O)CO", "menthol": "CC1CCC(C(C)C)C(O)C1",
    "phenol": "Oc1ccccc1", "catechol": "Oc1ccccc1O", "resorcinol": "Oc1cccc(O)c1", "hydroquinone": "Oc1ccc(O)cc1",
    "p-cresol": "Cc1ccc(O)cc1", "thymol": "CC(C)c1ccc(C)cc1O", "eugenol": "COc1cc(CC=C)ccc1O", "dimethyl ether": "COC",
    "diethyl ether": "CCOCC", "anisole": "COc1ccccc1", "tetrahydrofuran": "C1CCOC1", "1,4-dioxane": "C1COCCO1",
    "ethylene oxide": "C1CO1", "furan": "c1ccoc1", "formaldehyde": "C=O", "acetaldehyde": "CC=O", "propanal": "CCC=O",
    "butanal": "CCCC=O", "benzaldehyde": "O=Cc1ccccc1", "cinnamaldehyde": "O=CC=Cc1ccccc1", "vanillin": "COc1cc(C=O)ccc1O",
    "furfural": "O=Cc1ccco1", "acrolein": "C=CC=O", "glyoxal": "O=CC=O", "acetone": "CC(=O)C", "butanone": "CCC(=O)C",
    "diacetyl": "CC(=O)C(=O)C", "cyclohexanone": "O=C1CCCCC1", "acetophenone": "CC(=O)c1ccccc1",
    "benzophenone": "O=C(c1ccccc1)c1ccccc1", "camphor": "CC1(C)C2CCC1(C)C(=O)C2", "formic acid": "OC=O",
    "acetic acid": "CC(=O)O", "propionic acid": "CCC(=O)O", "butyric acid": "CCCC(=O)O", "valeric acid": "CCCCC(=O)O",
    "caproic acid": "CCCCCC(=O)O", "lactic acid": "CC(O)C(=O)O", "pyruvic acid": "CC(=O)C(=O)O",
    "oxalic acid": "OC(=O)C(=O)O", "malonic acid": "OC(=O)CC(=O)O", "succinic acid": "OC(=O)CCC(=O)O",
    "malic acid": "OC(=O)CC(O)C(=O)O", "tartaric acid": "OC(=O)C(O)C(O)C(=O)O", "citric acid": "OC(=O)CC(O)(CC(=O)O)C(=O)O",
    "fumaric acid": "OC(=O)C=CC(=O)O", "acrylic acid": "C=CC(=O)O", "benzoic acid": "OC(=O)c1ccccc1",
    "salicylic acid": "OC(=O)c1ccccc1O", "aspirin": "CC(=O)Oc1ccccc1C(=O)O", "gallic acid": "OC(=O)c1cc(O)c(O)c(O)c1",
    "cinnamic acid": "OC(=O)C=Cc1ccccc1", "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "methyl formate": "COC=O",
    "methyl acetate": "COC(=O)C", "ethyl acetate": "CCOC(=O)C", "butyl acetate": "CCCCOC(=O)C",
    "ethyl butyrate": "CCCC(=O)OCC", "methyl salicylate": "COC(=O)c1ccccc1O", "vinyl acetate": "CC(=O)OC=C",
    "methyl methacrylate": "CC(=C)C(=O)OC", "methylamine": "CN", "ethylamine": "CCN", "dimethylamine": "CNC",
    "trimethylamine": "CN(C)C", "triethylamine": "CCN(CC)CC", "aniline": "Nc1ccccc1", "ethanolamine": "NCCO",
    "ethylenediamine": "NCCN", "putrescine": "NCCCCN", "cadaverine": "NCCCCCN", "pyrrolidine": "C1CCNC1",
    "piperidine": "C1CCNCC1", "morpholine": "C1COCCN1", "pyridine": "c1ccncc1", "nicotine": "CN1CCCC1c1cccnc1",
    "pyrimidine": "c1cncnc1", "pyrazine": "c1cnccn1", "quinoline": "c1ccc2ncccc2c1", "acetonitrile": "CC#N",
    "acrylonitrile": "C=CC#N", "benzonitrile": "N#Cc1ccccc1", "hydrogen cyanide": "C#N", "formamide": "NC=O",
    "acetamide": "CC(=O)N", "dimethylformamide": "CN(C)C=O", "urea": "NC(=O)N", "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "benzamide": "NC(=O)c1ccccc1", "caprolactam": "O=C1CCCCCN1", "glycine": "NCC(=O)O", "alanine": "CC(N)C(=O)O",
    "serine": "NC(CO)C(=O)O", "threonine": "CC(O)C(N)C(=O)O", "valine": "CC(C)C(N)C(=O)O", "leucine": "CC(C)CC(N)C(=O)O",
    "isoleucine": "CCC(C)C(N)C(=O)O", "aspartic acid": "NC(CC(=O)O)C(=O)O", "glutamic acid": "NC(CCC(=O)O)C(=O)O",
    "asparagine": "NC(CC(=O)N)C(=O)O", "lysine": "NCCCCC(N)C(=O)O", "proline": "OC(=O)C1CCCN1",
    "phenylalanine": "NC(Cc1ccccc1)C(=O)O", "tyrosine": "NC(Cc1ccc(O)cc1)C(=O)O", "dopamine": "NCCc1ccc(O)c(O)c1",
    "phenethylamine": "NCCc1ccccc1", "ascorbic acid": "OCC(O)C1OC(=O)C(O)=C1O", "acetic anhydride": "CC(=O)OC(=O)C",
    "maleic anhydride": "O=C1C=CC(=O)O1", "butyrolactone": "O=C1CCCO1", "carbon dioxide": "O=C=O", "hydrogen peroxide": "OO",
    "hydrazine": "NN", "benzoquinone": "O=C1C=CC(=O)C=C1",
}  # fmt: skip


class Strings:
    """Texts of at most `length` letters as tensors: one row a place, one column a letter.

    texts: what to learn from. `letters`: those that occur, behind a space where texts differ in length: it fills them up.
    UserError for no texts, or one with a space in it.
    """

    def __init__(self, texts):
        self.texts = tuple(texts)
        if not self.texts or not all(self.texts) or any(" " in text for text in self.texts):
            raise UserError("strings are made of one or more texts, each of one or more letters and without a space")
        self.length = max(map(len, self.texts))
        filled = " " if min(map(len, self.texts)) < self.length else ""
        self.letters = filled + "".join(sorted(set("".join(self.texts))))

    def __len__(self) -> int:
        return len(self.texts)

    def one_hot(self, texts=None) -> Tensor:
        """Texts (default: all) → float32 (N, length, letters), in each row a single one."""
        filled = [text.ljust(self.length) for text in texts or self.texts]
        places = torch.tensor([[self.letters.index(letter) for letter in text] for text in filled])
        return torch.nn.functional.one_hot(places, len(self.letters)).float()

    def read(self, x: Tensor) -> list[str]:
        """Scores of letters (N, length, letters) → the texts of the highest, up to the first space."""
        return ["".join(self.letters[i] for i in row).partition(" ")[0] for row in x.argmax(2).tolist()]
