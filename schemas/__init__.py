"""The data that crosses every boundary of Milepost: one pydantic model per thing, no input or output.

Import a model from the module that is named after it, e.g. ``from schemas.idea import Idea``.
"""
