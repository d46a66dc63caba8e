"""How fast fastlstm is beside other engines: `python -m bench`. Nothing of this is needed to install or test it."""
