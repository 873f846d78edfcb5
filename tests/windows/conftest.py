collect_ignore = ["sitecustomize.py"]
