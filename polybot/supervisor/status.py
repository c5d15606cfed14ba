"""`manage.py status`: placeholder"""
def figures_refresh(*a, **k): pass
