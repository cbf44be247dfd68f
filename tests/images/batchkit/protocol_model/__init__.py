"""The claim and completion protocol as a machine of states, each step one call to AWS.

What steps is the product's own code: `perform`, `Claims`, `Ledger`, `Storage.put_once`, the risk
stage's counting of its shards, `redrive` and `reconcile`. It runs against clients that hand every
call to the machine. A process is known by what it was answered so far: it is run again from its
beginning with those answers, up to the first call that has none yet, which is then what it is
about to do. So a state is a value (the table's items, the queue, each process's answers), can be
compared with others, and every way on from it can be tried.

DynamoDB's part is played by the local AWS's own code, in this process, an operation at a time.

What may go wrong, each at any moment: a process is killed; it is told to stop and gives its work
back; it stalls until its lease is over; the answer to a call is lost, and the call repeated; an
attempt fails; a message comes once more.

Simplified: time is what the leases show, running or over, and a clock is right when a call is
answered. No lease needs renewing unless a process stalls. Stages' timings, in which nobody takes
part, are left out. Workers are alike, so states that differ in their names only are one state.
"""
