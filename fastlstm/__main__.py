"""`python -m fastlstm` is the `fastlstm` command."""

import sys

from fastlstm.cli import main

sys.exit(main())
