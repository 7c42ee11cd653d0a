"""Contract suites: a class to inherit, with the models and the data that it needs.

`relations.RelationContract` compares every shape of relation with SQLAlchemy's selectinload.
"""
