nb = nbf.v4.new_notebook(cells=cells)
nb.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
for i, c in enumerate(nb.cells): c["id"] = f"memory-{i:02d}"
nbf.validate(nb); nbf.write(nb, sys.argv[1])
