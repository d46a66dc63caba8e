"""The imports that compiled modules make, which PyInstaller cannot read, and the files of the demo."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = [*collect_submodules("fastlstm.engine"), "scipy.linalg.cython_blas"]
datas = collect_data_files("fastlstm.demo")
