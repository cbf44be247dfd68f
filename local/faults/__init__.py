"""What goes wrong on AWS now and then, made to go wrong here: for tests that must bear it.

Nothing goes wrong until somebody asks for it, at /_local/faults or through faults.client.
"""
