"""The recipes, one module a trainer."""

from ..recipe import Environment, Recipe
from . import axolotl, llamafactory, plain_peft, swift, torchtune, trl

MODULES = (swift, llamafactory, trl, plain_peft, axolotl, torchtune)
ENVIRONMENTS: dict[str, Environment] = {
    name: environment for module in MODULES for name, environment in module.ENVIRONMENTS.items()
}
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for module in MODULES for recipe in module.RECIPES
}
