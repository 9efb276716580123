//! The portal on the servers of a production home. Each file says in its head which it needs; where they are is in
//! variables, so that anybody's own will do. One that is not given fails its tests.
