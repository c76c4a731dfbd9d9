"""How fast is it? Each figure beside a baseline measured in the same run."""
