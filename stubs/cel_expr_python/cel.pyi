# What is used of cel-expr-python; its own stub is not marked as one and says Any.

from collections.abc import Mapping

class Activation: ...
class EnvConfig: ...

class Type:
    BOOL: Type
    DYN: Type
    ERROR: Type
    STRING: Type
    @staticmethod
    def List(element_type: Type) -> Type: ...  # noqa: N802 - as the library names it
    def name(self) -> str: ...

class Value:
    def type(self) -> Type: ...
    def value(self) -> object: ...

class Expression:
    def eval(self, activation: Activation) -> Value: ...
    def return_type(self) -> Type: ...

class Env:
    def Activation(self, data: Mapping[str, object]) -> Activation: ...  # noqa: N802 - as the library names it
    def compile(self, expression: str) -> Expression: ...

def NewEnv(config: EnvConfig, variables: Mapping[str, Type]) -> Env: ...  # noqa: N802 - as the library names it
def NewEnvConfigFromYaml(yaml: str) -> EnvConfig: ...  # noqa: N802 - as the library names it
