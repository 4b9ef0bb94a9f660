# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The GAN course: start here
#
# You have trained one PyTorch classifier. In these lessons you write the two training steps of a GAN, watch generator and discriminator play, find out by
# measurement what makes the pictures good, and learn to say honestly how good they are. Take them in order; each says at its top what you need.
#
# {{lessons}}
#
# ## Where you are
# Run the next cell (click into it, then **Shift+Enter**). It times this machine for a second and says how long each lesson takes here, how many of its exercises you
# have done, and where to go on. Run it again whenever you come back.

# %%
from gan_course import environment, progress

progress.overview(environment.speed_probe(1.0).minutes)

# %% [markdown]
# ## Finding your way
# - **Shift+Enter** runs a cell and goes to the next; the square in the toolbar stops one that runs. **Run > Run All Cells** runs a lesson from top to bottom.
# - The list icon at the far left opens a table of contents of the lesson; exercises stand in it with their numbers.
# - An exercise is framed at its left. Write your answer into the cell below it, run that, then run the check: it names the mistake and keeps hints folded.
# - A word that looks like a link is explained where it stands: rest the pointer on it, or click it to open the [glossary](glossary.ipynb) at that word.
# - When a training goes wrong, the [cheat sheet]({{docs}}/cheat-sheet.md) goes from the symptom to the cause.
# - Which exercises you have passed is kept in one small file on this machine, and nowhere else. To forget it: `from gan_course import progress; progress.reset()`.
# - Answers are in the folder `solutions`, one notebook a lesson.
